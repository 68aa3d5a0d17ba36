#!/bin/sh
# Draws README's first image from a clone, or runs all of CI, in a Debian 12 that has nothing but Node, git and Python: a newcomer's
# machine.
#
#     sh test/machines/debian-12.sh [--test | --ci] [--user] [--node DIR] [--keep]
#
#     --test      then npm test, which skips what the machine has no tools for
#     --ci        .ci/run instead; it installs what it lacks, so it needs root
#     --user      as an ordinary user of that machine, not as root
#     --node DIR  folder with bin/node and lib/node_modules/npm; by default that of the node in PATH
#     --keep      leave the machine, and print its folder
#
# Takes root, debootstrap, and 8 GB for --ci. What is committed is what is run. Certificates and settings of npm and pip come from
# this machine.
set -eu

ci= test= user= keep= node=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
while [ $# -gt 0 ]; do
  case $1 in
    --ci) ci=1 ;;
    --test) test=1 ;;
    --user) user=1 ;;
    --keep) keep=1 ;;
    --node) node=$2 && shift ;;
    *) echo "expected --test, --ci, --user, --node DIR or --keep, received $1" >&2 && exit 2 ;;
  esac
  shift
done
if [ "$ci" ] && [ "$user" ]; then echo "--user: .ci/run installs packages, which takes root; leave out one of the two" >&2 && exit 2; fi
if [ "$(id -u)" -ne 0 ]; then echo "debootstrap and chroot take root: run it with sudo" >&2 && exit 69; fi
command -v debootstrap >/dev/null || { echo "debootstrap is not installed: apt-get install debootstrap" >&2 && exit 69; }
for part in bin/node lib/node_modules/npm; do
  [ -e "$node/$part" ] || { echo "--node: expected a folder with $part, received $node" >&2 && exit 2; }
done

clone=$(cd "$(dirname "$0")/../.." && pwd)
root=$(mktemp -d "${TMPDIR:-/tmp}/t2i-debian-XXXXXX")
clean() {
  for mounted in proc dev; do if mountpoint -q "$root/$mounted"; then umount --recursive --lazy "$root/$mounted"; fi; done
  if [ "$keep" ]; then echo "$root"; else rm -rf --one-file-system "$root"; fi
}
trap clean EXIT
trap 'exit 130' INT TERM

debootstrap --variant=minbase --include=ca-certificates,git,libstdc++6,python3 bookworm "$root" >"$root.log" 2>&1 || {
  tail -n 5 "$root.log" >&2
  exit 1
}
rm "$root.log"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --make-rslave "$root/dev"
for file in /etc/resolv.conf /etc/hosts /etc/pip.conf /etc/ssl/certs/ca-certificates.crt; do
  if [ -e "$file" ]; then cp -L "$file" "$root$file"; fi
done
chmod 755 "$root"

mkdir -p "$root/usr/local/bin" "$root/usr/local/lib/node_modules"
cp "$node/bin/node" "$root/usr/local/bin/"
cp -R "$node/lib/node_modules/npm" "$root/usr/local/lib/node_modules/"
for tool in npm npx; do ln -s "../lib/node_modules/npm/bin/$tool-cli.js" "$root/usr/local/bin/$tool"; done

who=root home=/root
if [ "$user" ]; then
  chroot "$root" useradd --create-home newcomer
  who=newcomer home=/home/newcomer
fi
git clone --quiet --no-local "$clone" "$root$home/t2i"
if [ -e "${HOME:-}/.npmrc" ]; then cp "$HOME/.npmrc" "$root$home/"; fi
chroot "$root" chown -R "$who:" "$home"

commands="npm ci && $(sed -n '/^npx t2i /{p;q}' "$clone/README.md" | sed 's/ *#.*//')"
if [ "$test" ]; then commands="$commands && npm test"; fi
if [ "$ci" ]; then commands='bash .ci/run'; fi
chroot "$root" su "$who" -c "cd $home/t2i && export CI=true SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
  NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt PIP_CERT=/etc/ssl/certs/ca-certificates.crt && set -ex && $commands"
