#!/bin/sh
# Runs once inside the new system, as the last step of its installation.
set -eu
export LC_ALL=C.UTF-8

# The root session lives as long as the machine; see /usr/lib/bootes/iscsistart.
# iscsid uses these values when it connects again.
sed -i -E \
	-e 's/^#? ?node\.session\.timeo\.replacement_timeout.*/node.session.timeo.replacement_timeout = -1/' \
	-e 's/^#? ?node\.conn\[0\]\.timeo\.noop_out_interval.*/node.conn[0].timeo.noop_out_interval = 0/' \
	-e 's/^#? ?node\.conn\[0\]\.timeo\.noop_out_timeout.*/node.conn[0].timeo.noop_out_timeout = 0/' \
	/etc/iscsi/iscsid.conf
for key in replacement_timeout noop_out_interval noop_out_timeout; do
	grep -q "^node\..*timeo\.$key = " /etc/iscsi/iscsid.conf || {
		echo "iscsid.conf has no $key" >&2
		exit 1
	}
done

systemctl enable --quiet iscsid.service systemd-networkd.service ssh.service fstrim.timer \
	bootes-hostkeys.service bootes-lease.path bootes-lease.service
systemctl disable --quiet iscsid.socket
# A clone does not update itself; the image is updated, and every clone with it.
for unit in apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service \
	dpkg-db-backup.timer; do
	systemctl disable --quiet "$unit" 2>/dev/null || true
done

if [ -s /bootes-setup/password ]; then
	chpasswd </bootes-setup/password
else
	passwd -q -l root
fi
if [ -s /bootes-setup/authorized_keys ]; then
	install -d -m 700 /root/.ssh
	install -m 600 /bootes-setup/authorized_keys /root/.ssh/authorized_keys
fi

echo localhost >/etc/hostname
printf '127.0.0.1 localhost\n::1 localhost ip6-localhost\n' >/etc/hosts
ln -sf /run/bootes/resolv.conf /etc/resolv.conf
echo 'LANG=C.UTF-8' >/etc/default/locale

# A name of its own for a machine whose firmware gives none.
echo 'GenerateName=yes' >/etc/iscsi/initiatorname.iscsi
chmod 600 /etc/iscsi/initiatorname.iscsi

# The kernel's own installation made none (INITRD=No), for lack of all the parts.
update-initramfs -c -k all
for kernel in /boot/vmlinuz-*; do
	ln -sf "${kernel#/}" /vmlinuz
	ln -sf "boot/initrd.img-${kernel#/boot/vmlinuz-}" /initrd.img
done
rm -f /vmlinuz.old /initrd.img.old

# No twins.
rm -f /etc/ssh/ssh_host_* /var/lib/systemd/random-seed /var/lib/dbus/machine-id
: >/etc/machine-id

rm -rf /bootes-setup /var/log/*.log /var/log/apt/* /var/cache/debconf/*-old /var/lib/dpkg/*-old
rm -rf /var/cache/ldconfig/aux-cache
# Else the first start of each clone would rebuild caches, for /usr looks newer.
touch /etc/.updated /var/.updated
