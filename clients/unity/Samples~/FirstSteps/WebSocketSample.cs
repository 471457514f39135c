using UnityEngine;
using UnityEngine.UI;

namespace RtService.Samples
{
    /// <summary>
    /// The simplest start: what is typed goes over a plain WebSocket, and what comes back is shown. Add it to an empty object
    /// and press Play; a field that is left empty in the inspector is made. <c>/echo</c> sends everything back; <c>/ws</c>
    /// understands the verbs: <c>{"op":"join","ns":"/chat","ref":1,"room":"lobby"}</c>.
    /// </summary>
    public sealed class WebSocketSample : MonoBehaviour
    {
        [Tooltip("/echo sends everything back, /ws understands the verbs as JSON")]
        public string url = "ws://127.0.0.1:5000/echo";

        public InputField input;
        public Button button;
        public Text output;

        private WebSocketClient _socket;

        private void Start()
        {
            SampleUi.Make(ref input, ref button, ref output, "hello");
            button.onClick.AddListener(Send);
            _socket = new WebSocketClient(url);
            _socket.Opened += socket => SampleUi.AddLine(output, "open: " + url);
            _socket.TextReceived += text => SampleUi.AddLine(output, "← " + text);
            _socket.BinaryReceived += bytes => SampleUi.AddLine(output, "← " + bytes.Length + " bytes");
            _socket.Closed += why => SampleUi.AddLine(output, "closed: " + why);
            _socket.Connect();
        }

        private void OnDestroy()
        {
            if (_socket != null) _socket.Dispose();
        }

        private void Send()
        {
            SampleUi.AddLine(output, "→ " + input.text);
            _socket.Connect(); // again, if it was closed
            _socket.Send(input.text);
        }
    }
}
