"""The target side: Mitogen's master in a worker, and the connections it makes. The only place that imports Mitogen."""

# Nothing is imported here: targets receive this package too, for `onboard`.
