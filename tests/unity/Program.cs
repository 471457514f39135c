// Runs one test by its name ("ClassTests.Name"), in a process of its own and with a stub of Unity around it. NUnit's own
// console runs nothing that wants to talk to whoever started it; see Host.
using System;
using System.Reflection;
using System.Threading;
using NUnit.Framework;

namespace RtService.Tests
{
    public static class Program
    {
        private const string Passed = "= passed"; // not the exit code: mono's own threads sometimes crash when it exits

        public static int Main(string[] arguments)
        {
            var parts = arguments[0].Split('.');
            var type = typeof(Program).Assembly.GetType("RtService.Tests." + parts[0], true);
            var method = type.GetMethod(parts[1]);
            if (method == null || !method.IsDefined(typeof(TestAttribute), false))
                throw new ArgumentException("there is no test " + arguments[0]);
            SynchronizationContext.SetSynchronizationContext(new FrameContext());
            UnityStub.Engine.Play(typeof(RtClient).Assembly);
            var failure = Run(type, method);
            UnityStub.Engine.Stop();
            foreach (var line in UnityStub.Engine.Logged) Console.WriteLine("console " + line);
            Console.WriteLine(failure == null ? Passed : failure.ToString());
            return 0;
        }

        private static Exception Run(Type type, MethodInfo method)
        {
            try
            {
                method.Invoke(Activator.CreateInstance(type), null);
                return null;
            }
            catch (TargetInvocationException error)
            {
                return error.InnerException;
            }
        }
    }
}
