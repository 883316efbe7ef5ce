using Llama.Model.Machine;

namespace Llama.Grains.Hosting;

/// <summary>
/// Ends a process with the one that started it, however that one ended: the parent holds the other end of standard input, and the
/// operating system closes it when the parent is gone.
/// </summary>
public static class ParentWatch
{
    /// <summary>The environment variable by which a parent asks for the watch; <c>1</c> means yes.</summary>
    public const string Variable = "LLAMA_EXIT_WITH_PARENT";

    /// <summary>How long a process may take to end by itself before it is ended by force.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromSeconds(1.5);

    /// <summary>
    /// Starts to watch, if the parent asked for it. Once it is gone, <paramref name="onParentGone"/> is called, and if the process still
    /// runs after <see cref="Grace"/>, it is killed.
    /// </summary>
    /// <param name="onParentGone">Asks the process to stop; called on a thread of the watch.</param>
    public static void Start(Action onParentGone)
    {
        if (Environment.GetEnvironmentVariable(Variable) == "1")
            Start(Console.OpenStandardInput(), onParentGone, KillThisProcess);
    }

    internal static void Start(Stream input, Action onParentGone, Action kill) => OwnThread.Start("parent watch", () =>
    {
        WaitForEnd(input);
        try
        {
            onParentGone();
        }
        finally
        {
            Thread.Sleep(Grace);
            kill();
        }
    });

    private static void WaitForEnd(Stream input)
    {
        byte[] ignored = new byte[64];
        try
        {
            while (input.Read(ignored) > 0)
            {
            }
        }
        catch (IOException)
        {
            // A pipe that cannot be read has no parent at its other end.
        }
    }

    private static void KillThisProcess()
    {
        using var self = System.Diagnostics.Process.GetCurrentProcess();
        self.Kill();
    }
}
