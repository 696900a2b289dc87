"""The engine: persistent workers, dispatch, replica, results. It knows neither Ansible nor its releases.

[controller] is the process that the user started, [worker] one of its persistent children, [target] a managed host.
What the engine needs of Ansible is the interface in ``seam``; bundles under ``mitopatch.versions`` implement it.
"""
