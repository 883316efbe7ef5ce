namespace Llama.Grains.Directory;

/// <summary>Orders names as people do: numbers in them by value, so silo-2 comes before silo-10.</summary>
public sealed class NaturalOrder : IComparer<string>
{
    /// <summary>The only instance.</summary>
    public static readonly NaturalOrder Instance = new();

    private static readonly StringComparer Comparer =
        StringComparer.Create(System.Globalization.CultureInfo.InvariantCulture, System.Globalization.CompareOptions.NumericOrdering);

    private NaturalOrder()
    {
    }

    /// <inheritdoc/>
    public int Compare(string? x, string? y)
    {
        int order = Comparer.Compare(x, y);
        return order != 0 ? order : string.CompareOrdinal(x, y);
    }
}
