using System.Collections.Concurrent;
using System.Globalization;

namespace Llama.Model.Grammars.Text;

/// <summary>Unicode's general categories by their short and long names.</summary>
internal static class UnicodeCategories
{
    /// <summary>Short name, long name; in the order of <see cref="UnicodeCategory"/>.</summary>
    private static readonly (string Short, string Long)[] Names =
    [
        ("Lu", "Uppercase_Letter"), ("Ll", "Lowercase_Letter"), ("Lt", "Titlecase_Letter"), ("Lm", "Modifier_Letter"), ("Lo", "Other_Letter"),
        ("Mn", "Nonspacing_Mark"), ("Mc", "Spacing_Mark"), ("Me", "Enclosing_Mark"), ("Nd", "Decimal_Number"), ("Nl", "Letter_Number"),
        ("No", "Other_Number"), ("Zs", "Space_Separator"), ("Zl", "Line_Separator"), ("Zp", "Paragraph_Separator"), ("Cc", "Control"),
        ("Cf", "Format"), ("Cs", "Surrogate"), ("Co", "Private_Use"), ("Pc", "Connector_Punctuation"), ("Pd", "Dash_Punctuation"),
        ("Ps", "Open_Punctuation"), ("Pe", "Close_Punctuation"), ("Pi", "Initial_Punctuation"), ("Pf", "Final_Punctuation"),
        ("Po", "Other_Punctuation"), ("Sm", "Math_Symbol"), ("Sc", "Currency_Symbol"), ("Sk", "Modifier_Symbol"), ("So", "Other_Symbol"),
        ("Cn", "Unassigned"),
    ];

    private static readonly Dictionary<string, string> Groups = new(StringComparer.Ordinal)
    {
        ["L"] = "L", ["Letter"] = "L", ["M"] = "M", ["Mark"] = "M", ["N"] = "N", ["Number"] = "N", ["Z"] = "Z", ["Separator"] = "Z",
        ["C"] = "C", ["Other"] = "C", ["P"] = "P", ["Punctuation"] = "P", ["punct"] = "P", ["S"] = "S", ["Symbol"] = "S",
        ["digit"] = "Nd",
    };

    private static readonly ConcurrentDictionary<string, CodePoints> Found = new(StringComparer.Ordinal);

    /// <summary>The code points of a category or group of categories; null for other names.</summary>
    public static CodePoints? Find(string name)
    {
        string prefix = Groups.GetValueOrDefault(name)
            ?? Array.Find(Names, category => category.Short == name || category.Long == name).Short;
        return prefix is null ? null : Found.GetOrAdd(prefix, static prefix => CodePoints.Of(
            category => Names[(int)category].Short.StartsWith(prefix, StringComparison.Ordinal)));
    }
}
