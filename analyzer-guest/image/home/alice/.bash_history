cd Documents
ls -la
nano meeting-notes.md
ssh alice@files.weber-consulting.example
scp report-q3.csv alice@files.weber-consulting.example:shared/
sudo apt update
sudo apt upgrade
cd ~/Downloads
unzip photos-anna.zip
mv *.jpg ~/Pictures/2026-summer/
python3 -c 'print(1249.00*1.19)'
curl -O https://www.debian.org/releases/stable/amd64/release-notes.en.txt
df -h
crontab -l
exit
