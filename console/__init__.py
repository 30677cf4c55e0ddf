"""The console: pages on this machine for operators and finance.

A client of the HTTP API that signs each call with the person's own AWS profile; IAM decides what it shows and does.
Nothing of it is deployed, and nothing is written to disk.
"""
