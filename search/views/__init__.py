"""What people look at: terminal, report, charts."""
