#!/usr/bin/env bash
# Brings the programs that tests need, from Debian's packages: PostgreSQL, MariaDB and OpenSSH, of which tests start private
# servers on loopback, and npm, which fetches the schema that Shopify publishes. Says nothing where they are there; never
# fails, since tests without them say so and skip.
set -uo pipefail

wanted=()
compgen -G '/usr/lib/postgresql/*/bin/initdb' > /dev/null || wanted+=(postgresql)
command -v mariadbd > /dev/null || [ -x /usr/sbin/mariadbd ] || wanted+=(mariadb-server)
[ -x /usr/sbin/sshd ] || wanted+=(openssh-server)
command -v ssh-keygen > /dev/null || wanted+=(openssh-client)
command -v openssl > /dev/null || wanted+=(openssl)
command -v npm > /dev/null || wanted+=(npm)
[ ${#wanted[@]} -eq 0 ] && exit 0

without() {
    echo "services: $1, so ${wanted[*]} cannot be installed here. THE TESTS THAT NEED THEM ARE SKIPPED and say so." >&2
    exit 0
}

command -v apt-get > /dev/null || without "there is no apt-get"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo > /dev/null && sudo -n true 2> /dev/null || without "this user is not root and has no sudo without a password"
    as_root=(sudo -n)
fi

# Only the programs are wanted: no service may start by being installed.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap '"${as_root[@]}" rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" > /dev/null
    "${as_root[@]}" chmod +x "$policy"
fi

echo "services: installing ${wanted[*]} for the tests …"
log=$(mktemp)
install() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive timeout 600 \
        apt-get install -y -q --no-install-recommends "${wanted[@]}" >> "$log" 2>&1
}
install || { "${as_root[@]}" timeout 300 apt-get update -q >> "$log" 2>&1 && install; } || {
    tail -n 5 "$log" >&2
    without "apt-get failed (see $log)"
}
rm -f "$log"
exit 0
