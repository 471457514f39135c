using System;
using System.Text;

namespace RtService
{
    /// <summary>Bytes that grow at the end, used again and again: writing into it allocates nothing once it has grown.</summary>
    internal sealed class Utf8Buffer
    {
        private const int KeptMost = 64 * 1024; // what one large value needed is not kept for good

        // Strict: what is not Unicode throws ArgumentException instead of turning into question marks.
        internal static readonly UTF8Encoding Encoding = new UTF8Encoding(false, true);

        private byte[] _bytes = new byte[256];

        public int Length { get; private set; }

        public byte[] Bytes { get { return _bytes; } }

        public void Clear()
        {
            Length = 0;
            if (_bytes.Length > KeptMost) _bytes = new byte[256];
        }

        public void Add(byte value)
        {
            Reserve(1);
            _bytes[Length++] = value;
        }

        public void Add(byte[] bytes, int start, int count)
        {
            Reserve(count);
            Buffer.BlockCopy(bytes, start, _bytes, Length, count);
            Length += count;
        }

        public void AddAscii(string text)
        {
            Reserve(text.Length);
            for (var i = 0; i < text.Length; i++) _bytes[Length++] = (byte)text[i];
        }

        /// <exception cref="ArgumentException">Half of a surrogate pair stands alone.</exception>
        public void AddText(string text, int start, int count)
        {
            Reserve(count * 3);
            Length += Encoding.GetBytes(text, start, count, _bytes, Length);
        }

        public void AddNumber(long value)
        {
            Reserve(20);
            if (value < 0) _bytes[Length++] = (byte)'-';
            var start = Length;
            do
            {
                var digit = (int)(value % 10);
                _bytes[Length++] = (byte)('0' + (digit < 0 ? -digit : digit));
                value /= 10;
            }
            while (value != 0);
            Array.Reverse(_bytes, start, Length - start);
        }

        public byte[] ToArray()
        {
            var copy = new byte[Length];
            Buffer.BlockCopy(_bytes, 0, copy, 0, Length);
            return copy;
        }

        public override string ToString()
        {
            return Encoding.GetString(_bytes, 0, Length);
        }

        private void Reserve(int more)
        {
            if (Length + more <= _bytes.Length) return;
            Array.Resize(ref _bytes, Math.Max(Length + more, _bytes.Length * 2));
        }
    }
}
