using UnityEditor;

namespace RtService.Editor
{
    /// <summary>Window, rt-service: the clients of the running game, how far they are and what happened to them.</summary>
    internal sealed class ClientsWindow : EditorWindow
    {
        [MenuItem("Window/rt-service")]
        private static void Open()
        {
            GetWindow<ClientsWindow>("rt-service");
        }

        private void OnInspectorUpdate()
        {
            Repaint();
        }

        private void OnGUI()
        {
            var any = false;
            foreach (var one in MainThreadDispatcher.All())
            {
                var client = one as RtClient;
                if (client == null) continue;
                any = true;
                Show(client);
            }
            if (!any) EditorGUILayout.LabelField("No client; they are there in play mode.");
        }

        private static void Show(RtClient client)
        {
            var counters = client.Counters;
            EditorGUILayout.LabelField(client.Url, client.State.ToString());
            EditorGUILayout.LabelField("connections", counters.Connections.ToString());
            EditorGUILayout.LabelField("lost, closed, silent", counters.Lost + ", " + counters.Closed + ", " + counters.Silent);
            EditorGUILayout.LabelField("full in, out", counters.InboundFull + ", " + counters.OutboundFull);
            EditorGUILayout.LabelField("violations", counters.Violations.ToString());
            EditorGUILayout.LabelField("exceptions of handlers", counters.HandlerExceptions.ToString());
            EditorGUILayout.LabelField("last end", client.LastEnd ?? "");
            EditorGUILayout.Space();
        }
    }
}
