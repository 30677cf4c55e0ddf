"""What talks to Amazon's Incentives API: what is sent, how it is signed, and what a response means."""
