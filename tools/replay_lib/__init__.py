"""What tools/capture and tools/replay are made of: importers, the replay session, its simulated venue, edges, reports."""
