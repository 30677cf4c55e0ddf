"""The console's screens: a module and its templates each."""
