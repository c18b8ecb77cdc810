"""Our code against the real DeePMD-kit, which runs in processes of its own."""
