# umqtt.simple's functions, which say on standard output what a program does and read what it hears from standard input.
# tests/support/board.py is at the other end, with a real MQTT client and a real service. MicroPython runs this.
import board

HOST_UNREACHABLE = 113


class MQTTException(Exception):
    pass


class MQTTClient:
    def __init__(self, client_id, server, port=0, user=None, password=None, keepalive=0, ssl=None):
        self._login = [client_id, user or "-", password or "-"]
        self._will = []
        self._callback = None

    def set_callback(self, callback):
        self._callback = callback

    def set_last_will(self, topic, message, retain=False, qos=0):
        self._will = [topic, qos, int(retain), message]

    def connect(self, clean_session=True):
        self._say("connect", *self._login, *self._will)
        answer = board.read().split("\t")
        if answer[0] == "ok":
            return False
        code = int(answer[1])
        raise MQTTException(code) if code > 0 else OSError(HOST_UNREACHABLE)

    def publish(self, topic, message, retain=False, qos=0):
        self._say("publish", topic, int(retain), message)

    def subscribe(self, topic, qos=0):
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

    def _say(self, *fields):
        print("\t".join(str(field) for field in fields))
