using System.Text.Json;
using Llama.Model.Grammars.Expressions;
using Llama.Model.Grammars.Text;

namespace Llama.Model.Grammars.Schemas;

/// <summary>
/// Makes the grammar of the JSON texts that a schema allows. It compiles sets of schemas that hold at once for a value: references and
/// <c>allOf</c> add to the set, each alternative of <c>anyOf</c> gives a set of its own, and the keywords of a set are merged.
/// What it writes: properties in the order in which schemas name them, the others behind them; numbers that are compared without an exponent;
/// white space only where it is usual, and little of it, so that no model goes on with blanks for ever.
/// </summary>
internal sealed partial class SchemaCompiler
{
    private const int MostIndent = 32;

    private readonly ExprTable table;
    private readonly SchemaDocument document;
    private readonly JsonText json;
    private readonly NumberLanguage numbers;
    private readonly SchemaCheck check;
    private readonly Dictionary<string, Expr> sets = new(StringComparer.Ordinal);
    private readonly Expr space;
    private readonly Expr afterColon;

    private SchemaCompiler(ExprTable table, JsonElement schema)
    {
        this.table = table;
        document = new SchemaDocument(schema);
        json = new JsonText(table);
        numbers = new NumberLanguage(table);
        check = new SchemaCheck(document, table, json);
        Expr blank = table.Bytes(ByteSet.Of((byte)' ').Union(ByteSet.Of((byte)'\t')));
        Expr line = table.Sequence(table.Byte((byte)'\n'), table.Repeat(blank, 0, MostIndent));
        afterColon = table.Optional(table.Byte((byte)' '));
        space = table.Lexeme(table.Alternatives(afterColon, line));
    }

    /// <summary>The JSON texts that a schema allows.</summary>
    /// <param name="table">Makes the expressions.</param>
    /// <param name="schema">The schema.</param>
    /// <exception cref="GrammarException">It is none, or one of its keywords is not supported.</exception>
    public static Expr Compile(ExprTable table, JsonElement schema)
    {
        var compiler = new SchemaCompiler(table, schema);
        return compiler.Compile([compiler.document.Root], []);
    }

    private Expr Compile(IEnumerable<Schema> schemas) => Compile(schemas, []);

    /// <param name="schemas">The schemas that hold at once.</param>
    /// <param name="chosen">The lists of alternatives of which one is among them already.</param>
    private Expr Compile(IEnumerable<Schema> schemas, IReadOnlyList<string> chosen)
    {
        if (Expand(schemas) is not { } all) return table.Nothing;
        string key = string.Join('\n', all.Select(schema => "#" + schema.Path).Concat(chosen.Select(choice => "|" + choice)).Order(StringComparer.Ordinal));
        if (sets.TryGetValue(key, out Expr? known)) return known;
        ExprTable.ThrowIfTooDeep();
        if (sets.Count >= GrammarLimits.SchemaSets) throw new GrammarException("The schema is too large: anyOf, allOf and $ref combine in too many ways.");
        Expr rule = table.Rule(all.Count > 0 ? all[^1].Path : "any value", nullable: false);
        sets.Add(key, rule);
        rule.Body = NextChoice(all, chosen) is { } choice ? Choose(all, choice.Schema, choice.Keyword, chosen) : CompileMerged(all);
        return rule.Body.Kind is ExprKind.Lexeme or ExprKind.Nothing ? sets[key] = rule.Body : rule;
    }

    /// <summary>Adds what references and <c>allOf</c> add.</summary>
    /// <returns>Null when a schema is false.</returns>
    private List<Schema>? Expand(IEnumerable<Schema> schemas)
    {
        var all = new List<Schema>();
        var waiting = new Queue<Schema>(schemas);
        while (waiting.TryDequeue(out Schema? schema))
        {
            if (schema.IsFalse) return null;
            if (schema.Element.ValueKind == JsonValueKind.True || all.Contains(schema)) continue;
            all.Add(schema);
            if (schema["$ref"] is not null) waiting.Enqueue(document.Resolve(schema));
            foreach (Schema part in document.Children(schema, "allOf")) waiting.Enqueue(part);
        }

        return all;
    }

    private static (Schema Schema, string Keyword)? NextChoice(List<Schema> all, IReadOnlyList<string> chosen)
    {
        foreach (Schema schema in all)
        {
            foreach (string keyword in (string[])["anyOf", "oneOf"])
            {
                if (schema[keyword] is not null && !chosen.Contains($"{schema.Path}/{keyword}")) return (schema, keyword);
            }
        }

        return null;
    }

    private Expr Choose(List<Schema> all, Schema schema, string keyword, IReadOnlyList<string> chosen)
    {
        List<Schema> choices = [.. document.Children(schema, keyword)];
        if (keyword == "oneOf") ThrowUnlessDisjoint(schema, all, choices);
        string[] next = [.. chosen, $"{schema.Path}/{keyword}"];
        return table.Alternatives([.. choices.Select(choice => Compile([.. all, choice], next))]);
    }

    /// <summary>No value may be allowed by two alternatives: it would have to be left out of both, and that is no simple grammar.</summary>
    private void ThrowUnlessDisjoint(Schema schema, List<Schema> all, List<Schema> choices)
    {
        List<List<Schema>> expanded = [.. choices.Select(choice => Expand([.. all, choice])).OfType<List<Schema>>()];
        for (int i = 0; i < expanded.Count; i++)
        {
            for (int j = 0; j < i; j++)
            {
                if (!AreDisjoint(expanded[i], expanded[j]))
                    throw schema.Wrong("oneOf", "has alternatives that one value may fit together, which is not supported; use anyOf");
            }
        }
    }

    private bool AreDisjoint(List<Schema> a, List<Schema> b)
    {
        JsonTypes types = JsonTypesOf.All(a) & JsonTypesOf.All(b);
        if (types == JsonTypes.None) return true;
        if (Literals(a) is { } values) return !values.Any(value => b.TrueForAll(schema => check.Allows(schema, value)));
        if (Literals(b) is { } others) return !others.Any(value => a.TrueForAll(schema => check.Allows(schema, value)));
        if (types != JsonTypes.Object) return false;
        List<string> required = [.. Required(a).Intersect(Required(b))];
        return required.Exists(name => Expand(Property(a, name)) is not { } first || Expand(Property(b, name)) is not { } second
            || (Literals(first) is not null && Literals(second) is not null && AreDisjoint(first, second)));
    }

    private IEnumerable<Schema> Property(List<Schema> all, string name) => all.SelectMany(schema => check.PropertySchemas(schema, name));

    private static IEnumerable<string> Required(List<Schema> all) => all.SelectMany(schema =>
        schema["required"]?.EnumerateArray().Select(name => name.GetString()!) ?? []).Distinct();

    /// <summary>The values that <c>enum</c> and <c>const</c> leave; null without them.</summary>
    private static List<JsonElement>? Literals(List<Schema> all)
    {
        foreach (Schema schema in all)
        {
            if (schema["const"] is { } constant) return [constant];
            if (schema["enum"] is { } values) return [.. values.EnumerateArray()];
        }

        return null;
    }

    private Expr CompileMerged(List<Schema> all)
    {
        if (Literals(all) is { } values)
        {
            List<JsonElement> allowed = values.FindAll(value => all.TrueForAll(schema => check.Allows(schema, value)));
            List<Expr> simple = [.. allowed.Where(value => value.ValueKind is not (JsonValueKind.Object or JsonValueKind.Array)).Select(Literal)];
            return table.Alternatives(
                [table.Lexeme(table.Alternatives([.. simple])), .. allowed.Where(value => value.ValueKind is JsonValueKind.Object or JsonValueKind.Array).Select(Literal)]);
        }

        JsonTypes types = JsonTypesOf.All(all);
        var parts = new List<Expr>();
        if ((types & JsonTypes.Object) != 0) parts.Add(Object(all));
        if ((types & JsonTypes.Array) != 0) parts.Add(Array(all));
        if ((types & JsonTypes.Text) != 0) parts.Add(table.Lexeme(Text(all)));
        if ((types & JsonTypes.Number) != 0) parts.Add(table.Lexeme(Number(all, (types & JsonTypes.Fraction) == 0, (types & JsonTypes.Integer) == 0)));
        if ((types & JsonTypes.Boolean) != 0) parts.Add(table.Lexeme(table.Alternatives(table.Literal("true"), table.Literal("false"))));
        if ((types & JsonTypes.Null) != 0) parts.Add(table.Lexeme(table.Literal("null")));
        return table.Alternatives([.. parts]);
    }

    private Expr Literal(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => table.Literal(JsonText.Write(value.GetString()!)),
        JsonValueKind.Number => ExactNumber.TryRead(value, out ExactNumber number) ? numbers.Exactly(number) : table.Literal(value.GetRawText()),
        JsonValueKind.Array => Brackets('[', ']', [.. value.EnumerateArray().Select(Literal)]),
        JsonValueKind.Object => Brackets('{', '}', [.. value.EnumerateObject().Select(property => Member(property.Name, Literal(property.Value)))]),
        _ => table.Literal(value.GetRawText()),
    };

    private Expr Brackets(char open, char close, List<Expr> parts)
    {
        List<Expr> all = [table.Byte((byte)open)];
        for (int i = 0; i < parts.Count; i++)
        {
            all.Add(i == 0 ? space : Comma);
            all.Add(parts[i]);
        }

        return table.Sequence([.. all, space, table.Byte((byte)close)]);
    }

    private Expr Comma => table.Sequence(table.Byte((byte)','), space);

    private Expr Member(string name, Expr value) => Member(table.Literal(JsonText.Write(name)), value);

    private Expr Member(Expr name, Expr value) => table.Sequence(name, table.Byte((byte)':'), afterColon, value);

    /// <summary>The greatest of the lower bounds, or the least of the upper ones.</summary>
    private static int? Bound(List<Schema> all, string keyword, bool lower)
    {
        List<int> bounds = [.. all.Where(schema => schema[keyword] is not null).Select(schema => (int)schema[keyword]!.Value.GetDouble())];
        return bounds.Count == 0 ? null : lower ? bounds.Max() : bounds.Min();
    }
}
