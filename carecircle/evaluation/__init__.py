"""What ``carecircle evaluate`` makes of a run over recordings: tables, plots, a page of errors, stress."""
