import { z } from 'zod';
import type { LoadedProfile, Profile } from '../profile';
import { profileSchema } from './profile';

/** Profiles as the API shows them. */

const PROFILE_ORIGINS = ['shipped', 'own'] as const;

const origin = z.enum(PROFILE_ORIGINS).meta({ description: 'shipped: it comes with Modosu. own: from the directory of MODOSU_PROFILES_DIR.' });

export interface ProfileSummary extends Pick<Profile, 'name' | 'title' | 'status' | 'description' | 'parameters'> {
  readonly origin: LoadedProfile['origin'];
}

const { name, title, status, description, parameters } = profileSchema.shape;

export const profileSummarySchema = z
  .object({ name, origin, status, title, description, parameters })
  .meta({ id: 'ProfileSummary' }) satisfies z.ZodType<ProfileSummary>;

export type ProfileView = Pick<LoadedProfile, 'origin' | 'profile'>;

export const profileViewSchema = z.object({ origin, profile: profileSchema }).meta({ id: 'Profile' }) satisfies z.ZodType<ProfileView>;
