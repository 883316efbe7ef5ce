using System.Globalization;

namespace Llama.Model.Tests.Checkpoints;

/// <summary>What Linux says of the files that this process has mapped (proc(5), <c>/proc/pid/smaps</c>).</summary>
internal static class ResidentMemory
{
    /// <summary>Bytes of a mapped file that are in this process's memory.</summary>
    public static long OfFile(string path)
    {
        long kibibytes = 0;
        bool inFile = false;
        foreach (string line in File.ReadLines("/proc/self/smaps"))
        {
            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (!words[0].EndsWith(':')) inFile = line.EndsWith(path, StringComparison.Ordinal);
            else if (inFile && words[0] == "Rss:") kibibytes += long.Parse(words[1], CultureInfo.InvariantCulture);
        }

        return kibibytes * 1024;
    }

    /// <summary>Whether an address lies in a mapping of a file; true where the system does not tell.</summary>
    public static bool IsOfFile(nint address, string name)
    {
        if (!OperatingSystem.IsLinux()) return true;
        foreach (string line in File.ReadLines("/proc/self/maps"))
        {
            string[] range = line.Split(' ')[0].Split('-');
            nint first = nint.Parse(range[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            if (address >= first && address < nint.Parse(range[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture))
                return line.EndsWith(name, StringComparison.Ordinal);
        }

        return false;
    }
}
