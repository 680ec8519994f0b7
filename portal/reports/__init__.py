"""Reports: who has signed, and the records as files. Reads everything, writes nothing."""
