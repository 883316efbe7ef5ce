using System.Text.Json.Nodes;

namespace Llama.Bench.Schemas;

/// <summary>Random schemas whose values have a maximum length.</summary>
internal static class RandomSchemas
{
    private static readonly string[] Formats = ["date", "time", "date-time", "ipv4", "uuid"];
    private static readonly string[] Patterns = ["^[a-z]{2,6}$", "^\\d{3}-\\d{4}$", "^(red|green|blue)$", "^[A-Z][a-z]{1,4}( [A-Z][a-z]{1,4})?$"];

    /// <summary>Makes a schema.</summary>
    /// <param name="random">Decides.</param>
    /// <param name="depth">Schemas around it.</param>
    public static JsonNode Make(Random random, int depth = 0)
    {
        return random.Next(depth < 3 ? 10 : 6) switch
        {
            0 => Text(random),
            1 => Number(random),
            2 => new JsonObject { ["type"] = random.Next(2) == 0 ? "boolean" : "null" },
            3 => new JsonObject { ["enum"] = new JsonArray("alpha", "beta", random.Next(100), null, true) },
            4 => new JsonObject { ["const"] = random.Next(2) == 0 ? "fixed" : JsonValue.Create(random.Next(1000)) },
            5 => new JsonObject { ["type"] = "string", ["pattern"] = Patterns[random.Next(Patterns.Length)] },
            6 or 7 => Object(random, depth),
            8 => Array(random, depth),
            _ => new JsonObject { ["anyOf"] = new JsonArray(Make(random, depth + 1), Make(random, depth + 1)) },
        };
    }

    private static JsonObject Text(Random random)
    {
        if (random.Next(3) == 0) return new JsonObject { ["type"] = "string", ["format"] = Formats[random.Next(Formats.Length)], ["maxLength"] = 36 };
        int least = random.Next(3);
        return new JsonObject { ["type"] = "string", ["minLength"] = least, ["maxLength"] = least + random.Next(8) };
    }

    private static JsonObject Number(Random random)
    {
        int least = random.Next(-1000, 1000);
        var schema = new JsonObject { ["type"] = "integer", ["minimum"] = least, ["maximum"] = least + random.Next(5000) };
        if (random.Next(3) == 0) schema["multipleOf"] = random.Next(1, 3);
        return schema;
    }

    private static JsonObject Object(Random random, int depth)
    {
        var properties = new JsonObject();
        var required = new JsonArray();
        int count = random.Next(1, 5);
        for (int i = 0; i < count; i++)
        {
            properties[$"key{i}"] = Make(random, depth + 1);
            if (random.Next(3) > 0) required.Add($"key{i}");
        }

        return new JsonObject { ["type"] = "object", ["properties"] = properties, ["required"] = required, ["additionalProperties"] = false };
    }

    private static JsonObject Array(Random random, int depth)
    {
        int least = random.Next(2);
        return new JsonObject { ["type"] = "array", ["items"] = Make(random, depth + 1), ["minItems"] = least, ["maxItems"] = least + random.Next(3) };
    }
}
