"""What the functions of the Incentives Gateway share."""

__version__ = "0.1.0"
