#!/usr/bin/env python3
# Says hello, writes one file, asks for one name.
import socket

print("hello from the guest")
with open("/tmp/hello.txt", "w") as handle:
    handle.write("hello\n")
try:
    socket.getaddrinfo("hello.example.com", 80)
except OSError as error:
    print(error)
