"""HL7 FHIR R4, read only: ``/fhir``. Read ``routes`` first; docs/api.md tells what it promises."""
