namespace Llama.Grains.Settings;

/// <summary>Finds what somebody may have meant who mistyped a name.</summary>
public static class NearestName
{
    /// <summary>The known name that the fewest edits lead to, if they are few for its length; else null.</summary>
    /// <param name="name">The name that was given, however long.</param>
    /// <param name="known">The names that there are.</param>
    public static string? Find(string name, IReadOnlyList<string> known)
    {
        // Anything is near to a name of one or two letters.
        int most = Math.Min(Math.Max(2, name.Length / 3), name.Length - 1);
        (string? nearest, int distance) = known
            .Where(one => Math.Abs(one.Length - name.Length) <= most)
            .Select(one => ((string?)one, Distance(name.ToLowerInvariant(), one)))
            .DefaultIfEmpty((null, int.MaxValue))
            .MinBy(pair => pair.Item2);
        return distance <= most ? nearest : null;
    }

    /// <summary>How many characters must be put in, taken out or replaced to get from one text to the other (Levenshtein 1966).</summary>
    private static int Distance(string from, string to)
    {
        int[] previous = [.. Enumerable.Range(0, to.Length + 1)];
        int[] current = new int[to.Length + 1];
        for (int i = 1; i <= from.Length; i++)
        {
            current[0] = i;
            for (int j = 1; j <= to.Length; j++)
            {
                int replaced = previous[j - 1] + (from[i - 1] == to[j - 1] ? 0 : 1);
                current[j] = Math.Min(replaced, 1 + Math.Min(previous[j], current[j - 1]));
            }

            (previous, current) = (current, previous);
        }

        return previous[to.Length];
    }
}
