using System.ComponentModel.DataAnnotations;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Llama.Model.Kernels;

namespace Llama.Grains.Settings;

/// <summary>A list of processor cores, single ones and ranges, in the order in which threads get them: <c>0-3,6</c>.</summary>
public static class CoreList
{
    /// <summary>The cores of a valid list; null for none.</summary>
    /// <exception cref="FormatException">The text is no list of cores.</exception>
    [return: NotNullIfNotNull(nameof(text))]
    public static IReadOnlyList<int>? Parse(string? text) =>
        text is null ? null
        : TryParse(text, out IReadOnlyList<int> cores) ? cores
        : throw new FormatException($"'{text}' is not a list of cores like 0-3,6.");

    /// <summary>The cores of a list; false where the text is none, or names a core twice.</summary>
    public static bool TryParse(string text, out IReadOnlyList<int> cores)
    {
        ArgumentNullException.ThrowIfNull(text);
        var named = new List<int>();
        var seen = new HashSet<int>();
        cores = named;
        foreach (string part in text.Split(','))
        {
            string[] ends = part.Split('-');
            if (ends.Length > 2 || !TryParseCore(ends[0], out int first) || !TryParseCore(ends[^1], out int last) || last < first)
                return false;
            for (int core = first; core <= last; core++)
            {
                if (!seen.Add(core)) return false;
                named.Add(core);
            }
        }

        return true;
    }

    /// <summary>The text of a list.</summary>
    public static string Format(IEnumerable<int> cores) => string.Join(',', cores);

    /// <summary>What keeps threads from being pinned, each to a core of its own.</summary>
    /// <param name="text">The list, valid by itself; null for threads that are not pinned.</param>
    /// <param name="threads">How many threads there are.</param>
    /// <param name="option">The property that has the list.</param>
    /// <param name="threadsOption">The property that has the number of threads.</param>
    public static IEnumerable<ValidationResult> Validate(string? text, int threads, string option, string threadsOption)
    {
        if (Parse(text) is not { } cores) yield break;
        if (!ThreadAffinity.IsSupported)
        {
            yield return new ValidationResult(
                "cannot be kept to: threads are pinned to cores on Linux only; leave the option out", [option]);
            yield break;
        }

        IReadOnlyList<int> usable = ThreadAffinity.Cores();
        int[] others = [.. cores.Except(usable)];
        if (others.Length > 0)
        {
            yield return new ValidationResult(
                $"has cores that this process may not run on: {Format(others)}; expected some of {Format(usable)}", [option]);
        }

        if (cores.Count < threads)
        {
            yield return new ValidationResult(
                $"has fewer cores, {cores.Count}, than there are threads, {threads}; expected one for each, or fewer --threads",
                [option, threadsOption]);
        }
    }

    private static bool TryParseCore(string text, out int core) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out core) && core < ThreadAffinity.MaxCores;
}
