namespace RtService
{
    /// <summary>The names of fields that come again and again ("room", "data"), each as one string.</summary>
    internal sealed class NameCache
    {
        private const int LengthMost = 24;

        private readonly string[] _names = new string[128];

        /// <summary>The name in these bytes, or null if it is not short ASCII.</summary>
        public string Get(byte[] bytes, int start, int count)
        {
            if (count > LengthMost) return null;
            var hash = 2166136261u;
            for (var i = start; i < start + count; i++)
            {
                if (bytes[i] >= 0x80) return null;
                hash = (hash ^ bytes[i]) * 16777619u;
            }
            var slot = hash % (uint)_names.Length;
            var name = _names[slot];
            if (name == null || !Same(name, bytes, start, count))
                _names[slot] = name = Utf8Buffer.Encoding.GetString(bytes, start, count);
            return name;
        }

        private static bool Same(string name, byte[] bytes, int start, int count)
        {
            if (name.Length != count) return false;
            for (var i = 0; i < count; i++)
                if (name[i] != bytes[start + i]) return false;
            return true;
        }
    }
}
