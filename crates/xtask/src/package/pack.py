"""Packs a function for Lambda: pack.py ZIP BINARY CERTIFICATES. The same input always gives the same bytes."""

import stat
import sys
import zipfile

archive, binary, certificates = sys.argv[1:]
with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as out:
    for path, name, mode in ((binary, "bootstrap", 0o755), (certificates, "rds-ca.pem", 0o644)):
        # The entry has a constant time, the year 1980, which is the earliest that the format
        # supports.
        entry = zipfile.ZipInfo(name)
        entry.compress_type = zipfile.ZIP_DEFLATED
        # 3 means Unix, independent of the packing system.
        entry.create_system = 3
        entry.external_attr = (stat.S_IFREG | mode) << 16
        with open(path, "rb") as file:
            out.writestr(entry, file.read())
