"""mitopatch: ansible-core, several times faster, without changing a playbook."""

# Nothing is imported here: the package is entered at every interpreter start of an environment (see autoload).

__version__ = "0.1.0"
