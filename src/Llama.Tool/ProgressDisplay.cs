using System.Globalization;
using System.Runtime.ExceptionServices;
using Spectre.Console;

namespace Llama.Tool;

/// <summary>
/// Shows how far a command is: on a terminal a bar with rate and time left; elsewhere a line when an item is begun, and every few seconds.
/// </summary>
/// <param name="console">Where to.</param>
/// <param name="time">Measures the pauses between lines.</param>
internal sealed class ProgressDisplay(IAnsiConsole console, TimeProvider time)
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(5);

    /// <summary>The display of this process. A console that is no terminal gets plain lines.</summary>
    public static ProgressDisplay ForThisProcess() => new(AnsiConsole.Console, TimeProvider.System);

    /// <summary>Does the work and shows its progress meanwhile.</summary>
    /// <param name="work">Reports its progress, from any thread.</param>
    /// <returns>What the work returns.</returns>
    public T Show<T>(Func<IProgress<WorkProgress>, T> work)
    {
        if (!console.Profile.Capabilities.Interactive || !console.Profile.Capabilities.Ansi)
            return work(new Lines(Say, time));
        (T? result, ExceptionDispatchInfo? failure) = console.Progress()
            .Columns(
                new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn { Width = 12 }, new PercentageColumn(),
                new TransferSpeedColumn(), new RemainingTimeColumn())
            .Start(context => Try(work, new Bar(context.AddTask("begins", maxValue: 1))));
        failure?.Throw();
        return result!;
    }

    /// <summary>Writes a line, as it is.</summary>
    public void Say(string line) => console.Profile.Out.Writer.WriteLine(line);

    /// <summary>An error must wait until the bar is finished: the thread that draws it outlives one that is thrown out of it.</summary>
    private static (T? Result, ExceptionDispatchInfo? Failure) Try<T>(Func<IProgress<WorkProgress>, T> work, Bar bar)
    {
        try
        {
            T result = work(bar);
            bar.Fill();
            return (result, null);
        }
#pragma warning disable CA1031 // It is thrown again, whatever it is.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            return (default, ExceptionDispatchInfo.Capture(exception));
        }
    }

    private sealed class Bar(ProgressTask task) : IProgress<WorkProgress>
    {
        public void Fill() => task.Value = task.MaxValue;

        public void Report(WorkProgress value)
        {
            task.Description = Markup.Escape(value.Item);
            task.MaxValue = Math.Max(1, value.Total);
            task.Value = value.Done;
        }
    }

    private sealed class Lines(Action<string> say, TimeProvider time) : IProgress<WorkProgress>
    {
        private string? item;
        private long saidAt;

        public void Report(WorkProgress value)
        {
            if (value.Item == item && time.GetElapsedTime(saidAt) < Pause) return;
            (item, saidAt) = (value.Item, time.GetTimestamp());
            say(string.Create(CultureInfo.InvariantCulture, $"{value.Item}: {value.Done / 1e6:N0} of {value.Total / 1e6:N0} MB in all"));
        }
    }
}
