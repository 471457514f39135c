# umqtt.simple's functions, which say on standard output what a program does and read what it hears from standard input.
# tests/support/board.py is at the other end, with a real MQTT client and a real service. MicroPython runs this.
import board

CONNECTION_RESET = 104
HOST_UNREACHABLE = 113
CLOSED = -4  # by the other side, without an answer


class MQTTException(Exception):
    pass


class Socket:
    closed = False

    def close(self):
        self.closed = True


class MQTTClient:
    def __init__(self, client_id, server, port=0, user=None, password=None, keepalive=0, ssl=None):
        self._login = [client_id, user or "-", password or "-"]
        self._will = []
        self.sock = None
        self.pid = 0
        self._callback = None

    def set_callback(self, callback):
        self._callback = callback

    def set_last_will(self, topic, message, retain=False, qos=0):
        self._will = [topic, qos, int(retain), message]

    def connect(self, clean_session=True):
        if self.sock and not self.sock.closed:
            print("a socket is left open")  # a board has a few of them
        self.sock = Socket()
        self._say("connect", *self._login, *self._will)
        answer = board.read().split("\t")
        if answer[0] == "ok":
            return False
        code = int(answer[1])
        if code == CLOSED:
            b""[0]  # as umqtt does
        raise MQTTException(code) if code > 0 else OSError(HOST_UNREACHABLE)

    def publish(self, topic, message, retain=False, qos=0):
        if qos > 0:
            self._number()
        if isinstance(message, str) and len(message) != len(message.encode()):
            raise OSError(CONNECTION_RESET)  # umqtt says as many bytes as there are characters; the rest is no packet
        self._say("publish", topic, int(retain), message if isinstance(message, str) else message.decode())

    def subscribe(self, topic, qos=0):
        self._number()
        self._say("subscribe", topic, qos)

    def ping(self):
        pass

    def check_msg(self):
        self._say("check")
        come = []
        while not come or come[-1] != ["end"]:
            come.append(board.read().split("\t"))
        for what, *fields in come[:-1]:
            if what == "drop":
                raise OSError(-1)  # as umqtt says that the other side has closed
            self._callback(fields[0].encode(), fields[1].encode())

    def _number(self):
        self.pid += 1
        while self.pid > 65535:
            board.read()  # nobody acknowledges the number that umqtt waits for

    def _say(self, *fields):
        print("\t".join(str(field) for field in fields))
