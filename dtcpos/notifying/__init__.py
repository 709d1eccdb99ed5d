"""Telling somebody outside what has happened: a notifier that never makes anybody wait, and its ways of delivery.

`notifier` queues and counts, `command` and `webhook` deliver, `urls` reads addresses that carry secrets.
"""
