# Takes connections and never answers: silent.py PORT
import socket, sys, time

listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=100)
time.sleep(3600)
