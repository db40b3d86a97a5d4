#!/bin/sh
# Makes ROOT, which holds programs in usr/bin, all that they need: the libraries that they load, a user, and of every package that is in
# it the licence and the record that scanners make an SBOM from (var/lib/dpkg/status.d, as in distroless images).
#
#   closure.sh ROOT
set -eu
root=$1
records=$root/var/lib/dpkg/status.d
mkdir -p "$root/etc" "$records"
cp -L /etc/os-release "$root/etc/"
echo 'weightinit:x:65532:65532::/:/sbin/nologin' >"$root/etc/passwd"

ldd "$root"/usr/bin/* | grep -o '/[^ ]*\.so[^ ]*' | sort -u | while read -r library; do
  file=$(readlink -f "$library")
  install -D "$file" "$root$library"
  dpkg-query --search "*/${file##*/}" | head -n 1 | cut -d: -f1
done | sort -u | while read -r package; do
  dpkg-query --status "$package" >"$records/$package"
  install -D -m 644 "/usr/share/doc/$package/copyright" "$root/usr/share/doc/$package/copyright"
done
