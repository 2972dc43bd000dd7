def serve(channel):
    channel.send(b"ready")
    channel.recv(1)
