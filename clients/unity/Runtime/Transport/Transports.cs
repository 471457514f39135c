namespace RtService
{
    /// <summary>Which transport this platform has.</summary>
    public static class Transports
    {
        /// <summary>A new one.</summary>
        public static ITransport Create()
        {
#if UNITY_WEBGL && !UNITY_EDITOR
            return new WebGlTransport();
#else
            return new ClientWebSocketTransport();
#endif
        }
    }
}
