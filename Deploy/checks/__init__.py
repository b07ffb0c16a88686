# SPDX-License-Identifier: Apache-2.0
"""The checks of check.py, one module per part."""
