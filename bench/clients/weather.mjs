// What the clients ask, and the tool that they have for it.
import { z } from 'zod';

export const question = 'What is the weather in Köln?';
export const place = z.object({ city: z.string(), degrees: z.number() });
export const cityOnly = z.object({ city: z.string() });
export const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false };
export const weatherTool = { type: 'function', function: { name: 'get_weather', description: 'Tells the weather.', parameters } };

export const weather = ({ city }) => `17 degrees in ${city}`;
