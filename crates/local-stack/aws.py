"""The AWS CLI for the local stack.

Version 1, which is on PyPI, ignores AWS_ENDPOINT_URL for `rds` and `sqs` in us-east-1 and calls AWS itself
(https://github.com/aws/aws-cli/issues/8737). The reason is a table of old host names, which only --endpoint-url overrides.
Without the table, the variables apply. This file replaces the package's own `aws` in the Python environment.
"""

import sys

from awscli.clidriver import main
from awscli.customizations import overridesslcommonname

overridesslcommonname.SSL_COMMON_NAMES.clear()
sys.exit(main())
