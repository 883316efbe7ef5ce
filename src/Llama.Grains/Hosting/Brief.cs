namespace Llama.Grains.Hosting;

/// <summary>What an exception says, in a line: Orleans puts whole inner exceptions, with their stack traces, into messages.</summary>
internal static class Brief
{
    private const int MaxLength = 300;

    /// <summary>The first line of an exception's message, cut where it is very long.</summary>
    public static string Of(Exception exception)
    {
        string line = exception.Message.Split('\n')[0].Trim();
        return line.Length > MaxLength ? $"{line[..MaxLength]}…" : line;
    }
}
