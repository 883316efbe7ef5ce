namespace Llama.AppHost;

/// <summary>How a line looks on a terminal.</summary>
internal enum Tone
{
    /// <summary>As it is.</summary>
    Plain,

    /// <summary>Less bright.</summary>
    Dim,

    /// <summary>Bold.</summary>
    Strong,

    /// <summary>Yellow.</summary>
    Warning,
}

/// <summary>Writes plain lines; colours only for a terminal whose user has not set <c>NO_COLOR</c> (no-color.org).</summary>
/// <param name="output">Where to.</param>
/// <param name="colours">Whether to use escape codes.</param>
/// <param name="verbose">Whether to show all that the processes log.</param>
internal sealed class AppHostConsole(TextWriter output, bool colours, bool verbose)
{
    private readonly Lock _lock = new();

    /// <summary>The console of this process.</summary>
    public static AppHostConsole ForThisProcess(bool verbose)
        => new(Console.Out, !Console.IsOutputRedirected && Environment.GetEnvironmentVariable("NO_COLOR") is null or "", verbose);

    /// <summary>Writes a line.</summary>
    public void Say(string text, Tone tone = Tone.Plain)
    {
        Write(Paint(text, tone));
    }

    /// <summary>Writes a line of a process, behind the process's name.</summary>
    public void SayFor(string name, string line, Tone tone = Tone.Plain)
    {
        Write($"{Paint($"{name,-7} |", Tone.Dim)} {Paint(line, tone)}");
    }

    /// <summary>Whether to show all that the processes log.</summary>
    public bool Verbose => verbose;

    /// <summary>A full disk behind the output, or an end of it, must not end the cluster, nor keep its processes' output from being read.</summary>
    private void Write(string line)
    {
        lock (_lock)
        {
            try
            {
                output.WriteLine(line);
            }
            catch (IOException)
            {
                // There is nobody else to tell.
            }
        }
    }

    private string Paint(string text, Tone tone)
    {
        string code = tone switch
        {
            Tone.Dim => "2",
            Tone.Strong => "1",
            Tone.Warning => "33",
            _ => "",
        };
        return colours && code.Length > 0 ? $"\e[{code}m{text}\e[0m" : text;
    }
}
