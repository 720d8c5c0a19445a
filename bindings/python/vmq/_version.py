# SPDX-License-Identifier: BSD-2-Clause
"""The package's version: that of the headers it was written for (include/vmq/version.h)."""

__version__ = "0.1.0"
