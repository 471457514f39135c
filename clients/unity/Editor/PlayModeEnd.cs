using UnityEditor;

namespace RtService.Editor
{
    /// <summary>
    /// Ends every connection when play mode ends and before the code is compiled anew: the editor's process goes on, and
    /// would keep them.
    /// </summary>
    [InitializeOnLoad]
    internal static class PlayModeEnd
    {
        static PlayModeEnd()
        {
            EditorApplication.playModeStateChanged += OnChanged;
            AssemblyReloadEvents.beforeAssemblyReload += MainThreadDispatcher.CloseAll;
        }

        private static void OnChanged(PlayModeStateChange change)
        {
            if (change == PlayModeStateChange.ExitingPlayMode) MainThreadDispatcher.CloseAll();
        }
    }
}
