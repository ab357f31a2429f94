"""Where somebody would come in time, and where and when nobody would."""
