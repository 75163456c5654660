"""What several widgets share: keys kept from JupyterLab, and a line that says how things stand."""
