apt update
apt upgrade
nano /etc/ssh/sshd_config
journalctl -b
usermod -aG audio alice
exit
