using System;
using System.Collections.Generic;
using System.Globalization;

namespace RtService
{
    /// <summary>Writes values as JSON (RFC 8259) in UTF-8.</summary>
    internal sealed class JsonWriter
    {
        internal const int MaxDepth = 256; // the service takes data of 200, and puts a little around it

        private static readonly string[] DoubleFormats = { "G15", "G16", "G17" };
        private static readonly string[] FloatFormats = { "G6", "G7", "G8", "G9" };

        private const string Hex = "0123456789abcdef";

        private readonly Utf8Buffer _buffer;
        private readonly List<byte[]> _attachments;
        private int _depth;

        /// <summary>
        /// What is binary goes into <paramref name="attachments"/>, with a placeholder of Socket.IO where it was; without
        /// them it is written as <c>{"$base64": "…"}</c>, as the service does where there is only JSON.
        /// </summary>
        public JsonWriter(Utf8Buffer buffer, List<byte[]> attachments = null)
        {
            _buffer = buffer;
            _attachments = attachments;
        }

        /// <exception cref="JsonException">JSON has no form for it.</exception>
        public void Write(JsonValue value)
        {
            switch (value.Kind)
            {
                case JsonKind.Null: _buffer.AddAscii("null"); break;
                case JsonKind.False: _buffer.AddAscii("false"); break;
                case JsonKind.True: _buffer.AddAscii("true"); break;
                case JsonKind.Integer: _buffer.AddNumber(value.AsLong()); break;
                case JsonKind.Number: WriteNumber(value); break;
                case JsonKind.String: WriteString(value.AsString()); break;
                case JsonKind.Bytes: WriteBytes(value.AsBytes()); break;
                case JsonKind.Array: WriteArray(value.AsArray()); break;
                default: WriteObject(value.AsObject()); break;
            }
        }

        private void WriteArray(JsonArray array)
        {
            Enter('[');
            for (var i = 0; i < array.Count; i++)
            {
                if (i > 0) _buffer.Add((byte)',');
                Write(array[i]);
            }
            Leave(']');
        }

        private void WriteObject(JsonObject fields)
        {
            Enter('{');
            for (var i = 0; i < fields.Count; i++)
            {
                if (i > 0) _buffer.Add((byte)',');
                var field = fields.At(i);
                WriteString(field.Key);
                _buffer.Add((byte)':');
                Write(field.Value);
            }
            Leave('}');
        }

        private void Enter(char bracket)
        {
            if (++_depth > MaxDepth) throw Failed("it is nested deeper than " + MaxDepth + ", or holds itself");
            _buffer.Add((byte)bracket);
        }

        private void Leave(char bracket)
        {
            _depth--;
            _buffer.Add((byte)bracket);
        }

        private void WriteNumber(JsonValue value)
        {
            var number = value.AsDouble();
            if (double.IsNaN(number) || double.IsInfinity(number)) throw Failed("JSON has no " + number);
            _buffer.AddAscii(value.IsSingle ? Digits((float)number) : Digits(number));
        }

        /// <summary>The fewest digits that are read as the same again. "R" is that in some runtimes only.</summary>
        private static string Digits(double number)
        {
            foreach (var format in DoubleFormats)
            {
                var text = number.ToString(format, CultureInfo.InvariantCulture);
                double back;
                if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out back) && back == number) return text;
            }
            return number.ToString("R", CultureInfo.InvariantCulture);
        }

        private static string Digits(float number)
        {
            foreach (var format in FloatFormats)
            {
                var text = number.ToString(format, CultureInfo.InvariantCulture);
                float back;
                if (float.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out back) && back == number) return text;
            }
            return number.ToString("R", CultureInfo.InvariantCulture);
        }

        private void WriteBytes(byte[] bytes)
        {
            if (_attachments == null)
            {
                _buffer.AddAscii("{\"$base64\":\"");
                _buffer.AddAscii(Convert.ToBase64String(bytes));
                _buffer.AddAscii("\"}");
                return;
            }
            _buffer.AddAscii("{\"_placeholder\":true,\"num\":");
            _buffer.AddNumber(_attachments.Count);
            _buffer.Add((byte)'}');
            _attachments.Add(bytes);
        }

        private void WriteString(string text)
        {
            _buffer.Add((byte)'"');
            var start = 0;
            for (var i = 0; i < text.Length; i++)
            {
                var c = text[i];
                if (c >= ' ' && c != '"' && c != '\\') continue;
                WritePlain(text, start, i - start);
                WriteEscaped(c);
                start = i + 1;
            }
            WritePlain(text, start, text.Length - start);
            _buffer.Add((byte)'"');
        }

        private void WritePlain(string text, int start, int count)
        {
            try
            {
                _buffer.AddText(text, start, count);
            }
            catch (ArgumentException)
            {
                throw Failed("a string holds half of a surrogate pair");
            }
        }

        private void WriteEscaped(char c)
        {
            var at = "\"\\\b\f\n\r\t".IndexOf(c);
            _buffer.Add((byte)'\\');
            if (at >= 0)
            {
                _buffer.Add((byte)"\"\\bfnrt"[at]);
                return;
            }
            _buffer.AddAscii("u00");
            _buffer.Add((byte)Hex[c >> 4]);
            _buffer.Add((byte)Hex[c & 15]);
        }

        private static JsonException Failed(string why)
        {
            return new JsonException("this cannot be written as JSON: " + why);
        }
    }
}
