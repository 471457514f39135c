using System;

namespace RtService
{
    /// <summary>Reads JSON (RFC 8259) in UTF-8, strictly. One can be used again and again, by one thread.</summary>
    internal sealed class JsonReader
    {
        private readonly Utf8Buffer _unescaped = new Utf8Buffer();
        private readonly NameCache _names = new NameCache();
        private byte[] _bytes;
        private int _at;
        private int _end;
        private int _depth;

        /// <exception cref="JsonException">It is not JSON.</exception>
        public JsonValue Read(string json)
        {
            if (json == null) throw new ArgumentNullException("json");
            try
            {
                var bytes = Utf8Buffer.Encoding.GetBytes(json);
                return Read(bytes, 0, bytes.Length);
            }
            catch (ArgumentException)
            {
                throw new JsonException("this is not JSON: half of a surrogate pair stands alone");
            }
        }

        /// <exception cref="JsonException">It is not JSON.</exception>
        public JsonValue Read(byte[] bytes, int start, int count)
        {
            _bytes = bytes;
            _at = start;
            _end = start + count;
            _depth = 0;
            var value = ReadValue();
            SkipSpace();
            if (_at < _end) throw Failed("there is something behind the value");
            _bytes = null;
            return value;
        }

        private JsonValue ReadValue()
        {
            SkipSpace();
            if (_at == _end) throw Failed("it ends too early");
            switch (_bytes[_at])
            {
                case (byte)'{': return ReadObject();
                case (byte)'[': return ReadArray();
                case (byte)'"': return ReadString();
                case (byte)'t': Expect("true"); return true;
                case (byte)'f': Expect("false"); return false;
                case (byte)'n': Expect("null"); return JsonValue.Null;
                default: return ReadNumber();
            }
        }

        private JsonValue ReadArray()
        {
            Enter();
            var array = new JsonArray();
            if (Next() == ']') _at++;
            else
            {
                do array.Add(ReadValue());
                while (More(']'));
            }
            _depth--;
            return array;
        }

        private JsonValue ReadObject()
        {
            Enter();
            var fields = new JsonObject();
            if (Next() == '}') _at++;
            else
            {
                do ReadField(fields);
                while (More('}'));
            }
            _depth--;
            return fields;
        }

        private void ReadField(JsonObject fields)
        {
            if (Next() != '"') throw Failed("a name is missing");
            var name = ReadName();
            if (Next() != ':') throw Failed("a colon is missing");
            _at++;
            fields[name] = ReadValue();
        }

        private void Enter()
        {
            if (++_depth > JsonWriter.MaxDepth) throw Failed("it is nested deeper than " + JsonWriter.MaxDepth);
            _at++;
        }

        private bool More(char bracket)
        {
            var c = Next();
            _at++;
            if (c == ',') return true;
            if (c == bracket) return false;
            _at--;
            throw Failed("a comma or a bracket is missing");
        }

        /// <summary>The next byte that is no white space, without taking it; 0 at the end.</summary>
        private int Next()
        {
            SkipSpace();
            return _at < _end ? _bytes[_at] : 0;
        }

        private void SkipSpace()
        {
            while (_at < _end)
            {
                var c = _bytes[_at];
                if (c != ' ' && c != '\n' && c != '\r' && c != '\t') return;
                _at++;
            }
        }

        private void Expect(string word)
        {
            for (var i = 0; i < word.Length; i++, _at++)
                if (_at == _end || _bytes[_at] != word[i]) throw Failed("there is no such value");
        }

        private JsonValue ReadNumber()
        {
            var start = _at;
            var value = JsonNumber.Read(_bytes, ref _at, _end);
            if (value.IsNull) throw Failed(_at == start ? "there is no such value" : "a number is malformed or too large");
            return value;
        }

        private string ReadName()
        {
            var start = ++_at;
            var end = PlainEnd();
            if (end < _end && _bytes[end] == '"')
            {
                _at = end + 1;
                return _names.Get(_bytes, start, end - start) ?? Text(_bytes, start, end - start);
            }
            return ReadEscaped(start, end);
        }

        private string ReadString()
        {
            var start = ++_at;
            var end = PlainEnd();
            if (end >= _end || _bytes[end] != '"') return ReadEscaped(start, end);
            _at = end + 1;
            return Text(_bytes, start, end - start);
        }

        /// <summary>Where the characters that stand for themselves end.</summary>
        private int PlainEnd()
        {
            var end = _at;
            while (end < _end)
            {
                var c = _bytes[end];
                if (c == '"' || c == '\\' || c < ' ') break;
                end++;
            }
            return end;
        }

        private string ReadEscaped(int start, int end)
        {
            _unescaped.Clear();
            while (true)
            {
                _unescaped.Add(_bytes, start, end - start);
                _at = end;
                if (_at == _end) throw Failed("a string does not end");
                var c = _bytes[_at++];
                if (c == '"') return Text(_unescaped.Bytes, 0, _unescaped.Length);
                if (c != '\\') throw Failed("a string holds a control character");
                ReadEscape();
                start = _at;
                end = PlainEnd();
            }
        }

        private void ReadEscape()
        {
            if (_at == _end) throw Failed("a string does not end");
            var c = _bytes[_at++];
            var at = "\"\\/bfnrt".IndexOf((char)c);
            if (at >= 0) _unescaped.Add((byte)"\"\\/\b\f\n\r\t"[at]);
            else if (c == 'u') ReadUnicode();
            else throw Failed("there is no such escape");
        }

        private void ReadUnicode()
        {
            var code = ReadHex();
            if (code >= 0xd800 && code < 0xe000)
            {
                var pair = code < 0xdc00 && _end - _at >= 6 && _bytes[_at] == '\\' && _bytes[_at + 1] == 'u';
                if (!pair) throw Failed("half of a surrogate pair stands alone");
                _at += 2;
                var low = ReadHex();
                if (low < 0xdc00 || low >= 0xe000) throw Failed("half of a surrogate pair stands alone");
                code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            }
            AddCodePoint(code);
        }

        private void AddCodePoint(int code)
        {
            if (code < 0x80)
            {
                _unescaped.Add((byte)code);
                return;
            }
            if (code < 0x800) _unescaped.Add((byte)(0xc0 | code >> 6));
            else
            {
                if (code < 0x10000) _unescaped.Add((byte)(0xe0 | code >> 12));
                else
                {
                    _unescaped.Add((byte)(0xf0 | code >> 18));
                    _unescaped.Add((byte)(0x80 | code >> 12 & 63));
                }
                _unescaped.Add((byte)(0x80 | code >> 6 & 63));
            }
            _unescaped.Add((byte)(0x80 | code & 63));
        }

        private int ReadHex()
        {
            if (_end - _at < 4) throw Failed("an escape is cut off");
            var code = 0;
            for (var i = 0; i < 4; i++)
            {
                var digit = "0123456789abcdef".IndexOf(char.ToLowerInvariant((char)_bytes[_at++]));
                if (digit < 0) throw Failed("an escape is no hexadecimal number");
                code = code << 4 | digit;
            }
            return code;
        }

        private string Text(byte[] bytes, int start, int count)
        {
            try
            {
                return Utf8Buffer.Encoding.GetString(bytes, start, count);
            }
            catch (ArgumentException)
            {
                throw Failed("a string is not UTF-8");
            }
        }

        private JsonException Failed(string why)
        {
            return new JsonException("this is not JSON: " + why + " (byte " + _at + ")");
        }
    }
}
