# A client of SMB 3 that sends what a Mac sends, request by request: the tests put their steps behind it.
# It is called with the server's port, the share, the user and the password.
import os, struct, sys, threading, time
from impacket.smb3 import SMB3, SMB2_DIALECT_30, SMB2_CREATE, SMB2_FLUSH, SMB2_SET_INFO, SMB2_WRITE
from impacket.nt_errors import ERROR_MESSAGES

PORT, SHARE, USER, PASSWORD = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
READ, WRITE, DELETE, ATTRIBUTES = 0x120089, 0x120116, 0x10000, 0x100180
SHARED, ALONE = 7, 0
OPEN_IT, CREATE, OPEN_IF, OVERWRITE_IF = 1, 2, 3, 5
FOLDER, FILE, ON_CLOSE = 0x1, 0x40, 0x1000
BATCH = 9
AFP_INFO, AFP_RESOURCE = ':AFP_AfpInfo:$DATA', ':AFP_Resource:$DATA'


class Refused(Exception):
    """What the server answered instead of success."""

    def __init__(self, status):
        self.status = status & 0xffffffff
        self.name = ERROR_MESSAGES.get(self.status, ('%#x' % self.status,))[0]
        Exception.__init__(self, self.name)


def context(name, data):
    """A create context, alone in its list."""
    return struct.pack('<LHHHHL', 0, 16, 4, 0, 24 if data else 0, len(data)) + name + b'\0' * 4 + data


def contexts_of(body, at, size):
    """The create contexts of an answer, by name; at counts from the packet's header."""
    found, blob = {}, body[at - 64:at - 64 + size]
    while blob:
        after, name_at, name_size, _, data_at, data_size = struct.unpack('<LHHHHL', blob[:16])
        found[blob[name_at:name_at + name_size]] = blob[data_at:data_at + data_size]
        blob = blob[after:] if after else b''
    return found


class Share:
    """One client's connection."""

    def __init__(self):
        self.smb = SMB3('127.0.0.1', '127.0.0.1', sess_port=PORT, timeout=120, preferredDialect=SMB2_DIALECT_30)
        self.smb.login(USER, PASSWORD)
        self.tree = self.smb.connectTree(SHARE)
        self.encrypted = self.smb._Session['TreeConnectTable'][self.tree]['EncryptData'] or bool(self.smb._Session['SessionFlags'] & 4)

    def call(self, command, body):
        """One request, and the body of its answer."""
        packet = self.smb.SMB_PACKET()
        packet['Command'], packet['TreeID'], packet['Data'] = command, self.tree, body
        answer = self.smb.recvSMB(self.smb.sendSMB(packet))
        if answer['Status']:
            raise Refused(answer['Status'])
        return bytes(answer['Data'])

    def open(self, name, access=READ | WRITE | DELETE, share=SHARED, how=OPEN_IF, options=0, oplock=0, attach=b''):
        """Opens or makes a file: its handle, and the create contexts of the answer."""
        spelled = name.replace('/', '\\').encode('utf-16le')
        at = 64 + 56
        pad = -(at + len(spelled)) % 8 if attach else 0
        body = struct.pack('<HBBLQQLLLLLHHLL', 57, 0, oplock, 2, 0, 0, access, 0x80, share, how, options, at, len(spelled),
                           at + len(spelled) + pad if attach else 0, len(attach)) + (spelled + b'\0' * pad + attach or b'\0')
        answer = self.call(SMB2_CREATE, body)
        handle = answer[64:80]
        context_at, context_size = struct.unpack('<LL', answer[80:88])
        return handle, contexts_of(answer, context_at, context_size)

    def write(self, handle, data, at=0):
        """Writes data in pieces of 60,000 bytes."""
        for i in range(0, len(data), 60000):
            piece = data[i:i + 60000]
            self.call(SMB2_WRITE, struct.pack('<HHLQ', 49, 64 + 48, len(piece), at + i) + handle + struct.pack('<LLHHL', 0, 0, 0, 0, 0) + piece)

    def read(self, handle, size, at=0):
        """Reads so many bytes, or up to the end."""
        got = b''
        while len(got) < size:
            try:
                body = self.call(8, struct.pack('<HBBLQ', 49, 80, 0, min(size - len(got), 60000), at + len(got)) + handle + struct.pack('<LLLHH', 0, 0, 0, 0, 0) + b'\0')
            except Refused as e:
                if e.name == 'STATUS_END_OF_FILE':
                    return got
                raise
            start, count = body[2] - 64, struct.unpack('<L', body[4:8])[0]
            got += body[start:start + count]
        return got

    def close(self, handle):
        self.call(6, struct.pack('<HHL', 24, 0, 0) + handle)

    def flush(self, handle):
        self.call(SMB2_FLUSH, struct.pack('<HHL', 24, 0, 0) + handle)

    def set(self, handle, kind, data):
        """SET_INFO of a file: 4 times and attributes, 10 rename, 13 deletion, 20 end of file."""
        self.call(SMB2_SET_INFO, struct.pack('<HBBLHHL', 33, 1, kind, len(data), 64 + 32, 0, 0) + handle + data)

    def query(self, handle, kind, size=4096):
        """QUERY_INFO of a file: 4 times and attributes, 5 sizes."""
        body = self.call(16, struct.pack('<HBBLHHLLL', 41, 1, kind, size, 0, 0, 0, 0, 0) + handle)
        at, count = struct.unpack('<HL', body[2:8])
        return body[at - 64:at - 64 + count]

    def truncate(self, handle, size):
        self.set(handle, 20, struct.pack('<Q', size))

    def rename(self, handle, to, over=False):
        spelled = to.replace('/', '\\').encode('utf-16le')
        self.set(handle, 10, struct.pack('<B7xQL', over, 0, len(spelled)) + spelled)

    def remove(self, name, options=0):
        handle, _ = self.open(name, DELETE | 0x80, how=OPEN_IT, options=options)
        self.set(handle, 13, b'\1')
        self.close(handle)

    def born(self, handle, moment=None):
        """The time of creation, which it sets where one is given, in units of 100 ns."""
        if moment is not None:
            self.set(handle, 4, struct.pack('<QQQQLL', moment, 0, 0, 0, 0, 0))
        return struct.unpack('<Q', self.query(handle, 4)[:8])[0]

    def folder(self, name):
        handle, _ = self.open(name, how=CREATE, options=FOLDER)
        self.close(handle)

    def put(self, name, data, how=OPEN_IF):
        handle, _ = self.open(name, how=how)
        try:
            self.write(handle, data)
        finally:
            self.close(handle)

    def get(self, name, size=1 << 30):
        handle, _ = self.open(name, READ, how=OPEN_IT)
        try:
            return self.read(handle, size)
        finally:
            self.close(handle)

    def move(self, name, to, over=False, options=0):
        handle, _ = self.open(name, DELETE | 0x80, how=OPEN_IT, options=options)
        self.rename(handle, to, over)
        self.close(handle)

    def again(self, name, handle, id):
        """Comes back to a durable handle, which the server may still be about to set aside."""
        for _ in range(200):
            try:
                return self.open(name, oplock=BATCH, attach=context(b'DH2C', handle + id + bytes(4)))
            except Refused as e:
                if e.name not in ('STATUS_FILE_NOT_AVAILABLE', 'STATUS_OBJECT_NAME_NOT_FOUND', 'STATUS_ACCESS_DENIED'):
                    raise
            time.sleep(0.1)
        sys.exit('the server has not kept the handle: %s' % e.name)

    def broken(self, handle):
        """Waits until the server asks for the oplock of a handle."""
        told = bytes(self.smb.recvSMB(0xffffffffffffffff)['Data'])
        self.smb._Connection['SequenceWindow'] += 1  # which impacket takes back, as this was no answer
        check('what is broken', told[8:24], handle)

    def yields(self, handle):
        """Answers that, once what was kept is written: the oplock is gone."""
        self.call(18, struct.pack('<HBBL', 24, 0, 0, 0) + handle)

    def drop(self):
        """Ends the connection without a word, as a cable does that is pulled."""
        self.smb._NetBIOSSession.close()


def refused(call):
    """The name of the status with which the server refuses a call."""
    try:
        call()
    except Refused as e:
        return e.name
    return 'nothing'


def check(what, got, want):
    if got != want:
        shown = [repr(v) if len(repr(v)) < 200 else '%d bytes' % len(v) for v in (got, want)]
        sys.exit('%s: %s, not %s' % (what, shown[0], shown[1]))


def noise(size):
    return os.urandom(size)


mac = Share()
check('encrypted', bool(mac.encrypted), True)
# A Mac asks with its first create whether the server knows Apple's extensions.
root, told = mac.open('', ATTRIBUTES, how=OPEN_IT, attach=context(b'AAPL', struct.pack('<LLQQ', 1, 0, 7, 7)))
mac.close(root)
check("Apple's extensions", b'AAPL' in told, True)
