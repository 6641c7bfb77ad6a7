"""A VM on OpenRelay whose app gets its key, its endpoint and its model on Relay from this stack.

The key is a secret all the way: in the state, in the boot script, and in a file that root alone can
read. A new key, by another `rotation`, needs a new VM, which boots while the old key still works.
"""

import pulumi

import pulumi_openrelay as openrelay
from pulumi_openrelay import relay

config = pulumi.Config()
model = relay.ModelName.parse(config.require("model"))

key = relay.ApiKey("chat-app", key_budget=10, instances_allowed=False, rotation=1)
check = relay.InferenceCheck("chat-app", model=str(model), api_key=key.key)

BOOT = f"""#!/bin/bash
set -eu
umask 077
cat > /etc/chat-app.env <<'END'
OPENAI_BASE_URL={model.base_url(relay.base_url())}
OPENAI_API_KEY=%s
CHAT_MODEL={model.model}
END
systemctl restart chat-app || true
"""

laptop = openrelay.SshKey("laptop", public_key=config.require("sshPublicKey"))
vm = openrelay.Vm(
    "chat-app",
    ssh_key_ids=[laptop.id],
    resource_size="small",
    cloud_init=key.key.apply(lambda secret: BOOT % secret),
    opts=pulumi.ResourceOptions(depends_on=[check]),
)

pulumi.export("ssh", vm.ssh_command)
pulumi.export("answer", check.answer)
