"""The AWS CLI, for the local stack.

Version 1, the one on PyPI, sends `rds` and `sqs` of us-east-1 to AWS itself whatever AWS_ENDPOINT_URL says
(https://github.com/aws/aws-cli/issues/8737): it prefers old host names to everything but --endpoint-url. Without them it
does as the variables say. This stands in the Python environment in place of the package's own `aws`.
"""

import sys

from awscli.clidriver import main
from awscli.customizations import overridesslcommonname

overridesslcommonname.SSL_COMMON_NAMES.clear()
sys.exit(main())
