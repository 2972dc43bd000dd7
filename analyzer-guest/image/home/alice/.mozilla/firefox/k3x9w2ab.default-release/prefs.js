user_pref("browser.startup.homepage", "https://www.debian.org/");
user_pref("browser.download.dir", "/home/alice/Downloads");
user_pref("intl.accept_languages", "en-US, en, de");
